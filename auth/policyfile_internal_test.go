package auth

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

func TestFollower_TakesNothingThatIsStillBeingWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := NewPolicy(PolicySpec{})
	if err != nil {
		t.Fatal(err)
	}
	f := follower{policy: p, path: path, options: PolicyFileOptions{Logger: slog.New(slog.DiscardHandler)}}
	may := func() bool {
		return p.Decide(t.Context(), nil, Action{Verb: Read, Kind: Resources, Name: "notes://x"}).Allowed()
	}
	// Half of "read:resources:notes://a" is more than the whole.
	whole := "anonymous: [\"read:resources:notes://a\"]\n"
	half := "anonymous: [\"read:resources\"]\n"
	for range 3 {
		for _, text := range []string{half, whole} {
			write(text)
			f.look()
			if may() {
				t.Fatal("half of the file was taken")
			}
		}
	}
	write(half)
	f.look()
	f.look()
	if !may() {
		t.Error("what stays is not taken")
	}
}
