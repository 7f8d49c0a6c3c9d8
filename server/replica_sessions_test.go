package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/transport"
)

// serveSessions is a session store for other processes.
func serveSessions(t *testing.T) string {
	t.Helper()
	store := transport.NewMemorySessionStore(0)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		key := q.Get("key")
		ttl, err := time.ParseDuration(q.Get("ttl"))
		record, readErr := io.ReadAll(r.Body)
		if err = errors.Join(err, readErr); err == nil {
			switch r.URL.Path {
			case "/create":
				err = store.Create(r.Context(), key, record, ttl)
			case "/load":
				record, err = store.Load(r.Context(), key, ttl)
			case "/update":
				err = store.Update(r.Context(), key, record, ttl)
			case "/delete":
				err = store.Delete(r.Context(), key)
			}
		}
		switch {
		case errors.Is(err, transport.ErrNoSession):
			w.WriteHeader(http.StatusGone)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			_, _ = w.Write(record)
		}
	}))
	t.Cleanup(web.Close)
	return web.URL
}

// remoteSessions is the URL of one.
type remoteSessions string

func (s remoteSessions) Create(ctx context.Context, key string, record []byte, ttl time.Duration) error {
	_, err := s.do(ctx, "/create", key, record, ttl)
	return err
}

func (s remoteSessions) Load(ctx context.Context, key string, ttl time.Duration) ([]byte, error) {
	return s.do(ctx, "/load", key, nil, ttl)
}

func (s remoteSessions) Update(ctx context.Context, key string, record []byte, ttl time.Duration) error {
	_, err := s.do(ctx, "/update", key, record, ttl)
	return err
}

func (s remoteSessions) Delete(ctx context.Context, key string) error {
	_, err := s.do(ctx, "/delete", key, nil, 0)
	return err
}

func (s remoteSessions) do(ctx context.Context, path, key string, record []byte, ttl time.Duration) ([]byte, error) {
	q := url.Values{"key": {key}, "ttl": {ttl.String()}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, string(s)+path+"?"+q.Encode(), bytes.NewReader(record))
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode == http.StatusGone:
		return nil, transport.ErrNoSession
	case res.StatusCode != http.StatusOK:
		return nil, errors.New(string(body))
	}
	return body, nil
}
