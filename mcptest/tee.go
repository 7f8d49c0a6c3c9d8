package mcptest

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"sync"
)

// A lineTee hands on what goes through a stream of lines, line by line, to an
// exchange.
type lineTee struct {
	mu   sync.Mutex
	x    *exchange
	sent bool
	data bool // lines are those of an event stream: only its data counts
	rest []byte
}

func (t *lineTee) note(p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest = append(t.rest, p...)
	for {
		line, rest, whole := bytes.Cut(t.rest, []byte("\n"))
		if !whole {
			return
		}
		t.rest = rest
		if t.data {
			var isData bool
			if line, isData = bytes.CutPrefix(line, []byte("data:")); !isData {
				continue
			}
		}
		t.x.add(t.sent, line)
	}
}

type teeReader struct {
	io.ReadCloser
	tee lineTee
}

func (r *teeReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.tee.note(p[:n])
	return n, err
}

type teeWriter struct {
	io.WriteCloser
	tee lineTee
}

// Write notes before it writes: an answer must not be noted before its request.
func (w *teeWriter) Write(p []byte) (int, error) {
	w.tee.note(p)
	return w.WriteCloser.Write(p)
}

// teeHTTP hands on the bodies of requests and answers to an exchange.
type teeHTTP struct {
	next http.RoundTripper
	x    *exchange
}

// RoundTrip implements [http.RoundTripper].
func (t teeHTTP) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		_ = r.Body.Close() // it has been read to its end
		t.x.add(true, raw)
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(raw))
	}
	res, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	switch kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind {
	case "text/event-stream":
		res.Body = &teeReader{ReadCloser: res.Body, tee: lineTee{x: t.x, data: true}}
	case "application/json":
		res.Body = &wholeBody{ReadCloser: res.Body, x: t.x}
	}
	return res, nil
}

// A wholeBody notes an answer when it has been read to its end.
type wholeBody struct {
	io.ReadCloser
	x    *exchange
	read bytes.Buffer
	once sync.Once
}

func (b *wholeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Write(p[:n])
	if err != nil {
		b.once.Do(func() { b.x.add(false, b.read.Bytes()) })
	}
	return n, err
}
