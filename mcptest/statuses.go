package mcptest

import (
	"net/http"
	"strings"
)

// readable shows go-sdk's client the JSON-RPC errors behind the statuses with
// which it does not read the body, so that tests see their codes.
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
