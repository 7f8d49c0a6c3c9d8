package sqlite

import (
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/trestle-mcp/trestle/eventstore"
)

// A CorruptError says that a file is damaged, or is not what it should be.
// Nothing was changed in it.
type CorruptError struct {
	Path string
	Err  error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("eventstore: %s is damaged: %v", e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *CorruptError) Unwrap() error { return e.Err }

// code returns the primary result code of SQLite in err, or 0.
func code(err error) int {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// explain gives an error of SQLite its meaning here.
func (b *Backend) explain(err error) error {
	switch code(err) {
	case 0:
		return err
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %s: %w", eventstore.ErrNoSpace, b.path, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return &CorruptError{Path: b.path, Err: err}
	default:
		return fmt.Errorf("eventstore: %s: %w", b.path, err)
	}
}

func (b *Backend) corrupt(format string, args ...any) error {
	return &CorruptError{Path: b.path, Err: fmt.Errorf(format, args...)}
}
