// Package clienthttp makes go-sdk's client over HTTP usable for tools and tests.
package clienthttp

import (
	"maps"
	"net/http"
	"strings"
)

// Readable returns next so that go-sdk's client sees the JSON-RPC errors behind
// the statuses with which it does not read the body, and with them their codes.
func Readable(next http.RoundTripper) http.RoundTripper { return readable{next} }

type readable struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (t readable) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable:
		if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
			res.StatusCode, res.Status = http.StatusOK, http.StatusText(http.StatusOK)
		}
	}
	return res, nil
}

// WithHeader returns next with header set in each request.
func WithHeader(next http.RoundTripper, header http.Header) http.RoundTripper {
	if len(header) == 0 {
		return next
	}
	return withHeader{next, header}
}

type withHeader struct {
	next   http.RoundTripper
	header http.Header
}

// RoundTrip implements [http.RoundTripper].
func (t withHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	maps.Copy(r.Header, t.header)
	return t.next.RoundTrip(r)
}
