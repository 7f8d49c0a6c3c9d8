package auth

import (
	"net/http"
	"strings"
	"testing"
)

func FuzzBearer(f *testing.F) {
	for _, s := range []string{"Bearer abc", "bearer  a.b-c_d~e+f/g==", "Basic x", "Bearer", "Bearer a,b", "Bearer \x00", "BEARER é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		token, ok := parseBearer(value)
		if !ok {
			return
		}
		if token == "" || strings.ContainsAny(token, " ,\t\r\n\"\\;\x00") || !strings.HasSuffix(value, token) {
			t.Errorf("%q gave %q", value, token)
		}
		if again, ok := parseBearer("Bearer " + token); !ok || again != token {
			t.Errorf("%q is not itself again: %q", token, again)
		}
		if h := withoutCredentials(http.Header{"Authorization": {value}, "X": {"y"}}); len(h) != 1 {
			t.Errorf("left: %v", h)
		}
	})
}
