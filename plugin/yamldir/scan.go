package yamldir

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds on a directory.
const (
	maxFiles = 1000
	maxFile  = 1 << 20 // bytes
)

// A reading is what was found under the name of a file.
type reading struct {
	text   []byte
	err    error
	digest [sha256.Size]byte // of either
}

func isDescription(name string) bool {
	// Editors and Kubernetes keep what is not meant for others behind a dot.
	return name[0] != '.' && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name))
}

// scan reads all descriptions in a directory.
func scan(dir string) (map[string]reading, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := map[string]reading{}
	for _, entry := range entries {
		if entry.IsDir() || !isDescription(entry.Name()) {
			continue
		}
		if len(found) == maxFiles {
			return nil, fmt.Errorf("%s: more than %d files", dir, maxFiles)
		}
		text, err := read(filepath.Join(dir, entry.Name()))
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue // it went meanwhile, or is a link to nothing
		case err != nil:
			found[entry.Name()] = reading{err: err, digest: sha256.Sum256([]byte(err.Error()))}
		default:
			found[entry.Name()] = reading{text: text, digest: sha256.Sum256(text)}
		}
	}
	return found, nil
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular(): // to open a pipe would wait for its writer
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path) //nolint:gosec // the operator names the directory
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("longer than %d bytes", maxFile)
	}
	return text, err
}

// printable keeps a file's name on its line.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, name)
}
