package openapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trestle-mcp/trestle/adapter/openapi"
	"github.com/trestle-mcp/trestle/plugin/httptool"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func spec(t *testing.T, text string, o *openapi.Options) *httptool.Spec {
	t.Helper()
	s, err := openapi.Spec([]byte(text), o)
	must(t, err)
	return s
}

// tool returns the tool of that name.
func tool(t *testing.T, s *httptool.Spec, name string) *httptool.Tool {
	t.Helper()
	for i := range s.Tools {
		if s.Tools[i].Name == name {
			return &s.Tools[i]
		}
	}
	t.Fatalf("no tool %s", name)
	return nil
}

func same(t *testing.T, what string, got json.RawMessage, want string) {
	t.Helper()
	var g, w any
	if len(got) > 0 {
		must(t, json.Unmarshal(got, &g))
	}
	if want != "" {
		must(t, json.Unmarshal([]byte(want), &w))
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

// A service remembers the last request.
type service struct {
	*httptest.Server
	mu   sync.Mutex
	last string
}

func serve(t *testing.T, answer string) *service {
	t.Helper()
	s := new(service)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.last = fmt.Sprintf("%s %s %s %s", r.Method, r.RequestURI, r.Header.Get("X-Key")+r.Header.Get("Authorization")+r.Header.Get("Cookie"), body)
		s.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) sent() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func secret(value string) *httptool.Secret {
	return &httptool.Secret{Get: func(context.Context) (string, error) { return value, nil }}
}
