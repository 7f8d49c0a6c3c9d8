package sqlite

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
)

// An ackFile remembers the position up to which appends were acknowledged. It is
// written after the commit, and not synced: what it says is always true, and
// may be out of date after a loss of power only.
type ackFile struct{ f *os.File }

const ackSize = 12

func openAck(path string) (*ackFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the caller's path
	if err != nil {
		return nil, err
	}
	return &ackFile{f: f}, nil
}

// readAck returns the position, or 0 where there is none that can be trusted.
func readAck(path string) (int64, error) {
	f, err := os.Open(path) //nolint:gosec // the caller's path
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var b [ackSize]byte
	if _, err := io.ReadFull(f, b[:]); err != nil || binary.LittleEndian.Uint32(b[8:]) != crc32.Checksum(b[:8], castagnoli) {
		return 0, nil // torn by a loss of power, or damaged: it then knows nothing
	}
	return int64(binary.LittleEndian.Uint64(b[:])), nil //nolint:gosec // written by write
}

// write is best effort: without it an append is as durable as with it.
func (a *ackFile) write(position int64) {
	var b [ackSize]byte
	binary.LittleEndian.PutUint64(b[:], uint64(position)) //nolint:gosec // positive
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b[:8], castagnoli))
	_, _ = a.f.WriteAt(b[:], 0)
}

func (a *ackFile) close() error { return a.f.Close() }
