package seal_test

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/internal/seal"
)

func newKey() []byte {
	key := make([]byte, seal.KeyBytes)
	rand.Read(key)
	return key
}

func newBox(t *testing.T, keys ...[]byte) *seal.Box {
	t.Helper()
	b, err := seal.New(keys, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBox_OpensWhatItSealedWithTheSameBindingUntilItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		sealed := b.Seal([]byte("plain"), []byte("x"))
		if strings.Contains(sealed, "plain") || sealed == b.Seal([]byte("plain"), []byte("x")) {
			t.Error("it is not encrypted, or always alike")
		}
		if got, err := b.Open(sealed, []byte("x")); err != nil || string(got) != "plain" {
			t.Errorf("%q, %v", got, err)
		}
		for what, open := range map[string]func() ([]byte, error){
			"another binding": func() ([]byte, error) { return b.Open(sealed, []byte("y")) },
			"another key":     func() ([]byte, error) { return newBox(t).Open(sealed, []byte("x")) },
			"cut":             func() ([]byte, error) { return b.Open(sealed[:len(sealed)-4], []byte("x")) },
			"empty":           func() ([]byte, error) { return b.Open("", []byte("x")) },
			"not base64":      func() ([]byte, error) { return b.Open("?", []byte("x")) },
		} {
			if got, err := open(); err == nil {
				t.Errorf("%s opens it: %q", what, got)
			}
		}
		<-time.After(2 * time.Minute) // virtual
		if _, err := b.Open(sealed, []byte("x")); err == nil {
			t.Error("it does not expire")
		}
	})
}

func TestBox_RotatesKeys(t *testing.T) {
	first, second := newKey(), newKey()
	sealed := newBox(t, first).Seal([]byte("plain"), nil)
	if got, err := newBox(t, second, first).Open(sealed, nil); err != nil || !bytes.Equal(got, []byte("plain")) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := newBox(t, first).Open(newBox(t, second, first).Seal(nil, nil), nil); err == nil {
		t.Error("the second key seals")
	}
}

func TestNew_NamesEveryWrongKey(t *testing.T) {
	_, err := seal.New([][]byte{{1}, newKey(), {2, 3}}, time.Minute)
	if err == nil || !strings.Contains(err.Error(), "key 0 has 1 bytes") || !strings.Contains(err.Error(), "key 2 has 2 bytes") {
		t.Errorf("got %v", err)
	}
}

func TestBinding_KeepsItsPartsApart(t *testing.T) {
	if bytes.Equal(seal.Binding([]byte("a"), []byte("b")), seal.Binding([]byte("ab"), nil)) {
		t.Error("parts run together")
	}
}
