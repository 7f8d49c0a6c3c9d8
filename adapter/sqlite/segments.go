package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/trestle-mcp/trestle/eventstore"
)

// Segments is a folder with a file for each segment, for package
// transport/resume. It is made when it is not there. Keep nothing else in it.
type Segments string

const segmentEnd = ".db"

// Open opens the file of a segment. It may be called again before the first
// backend was closed.
func (s Segments) Open(ctx context.Context, n int64) (eventstore.Backend, error) {
	if err := os.MkdirAll(string(s), 0o700); err != nil {
		return nil, err
	}
	b, err := Open(ctx, filepath.Join(string(s), strconv.FormatInt(n, 10)+segmentEnd), nil)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Drop removes the files of all segments whose number is less.
func (s Segments) Drop(_ context.Context, before int64) error {
	files, err := os.ReadDir(string(s))
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range files {
		number, _, ok := strings.Cut(f.Name(), segmentEnd) // "-wal" and the like go with it
		n, err := strconv.ParseInt(number, 10, 64)
		if !ok || err != nil || n >= before {
			continue
		}
		if err := os.Remove(filepath.Join(string(s), f.Name())); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err) // another process may have been faster
		}
	}
	return errors.Join(errs...)
}
