package transport

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// errLineTooLong says that a line was skipped.
var errLineTooLong = errors.New("transport: line too long")

// A lineReader reads lines of bounded length. What a longer line has beyond
// the bound is read, not kept.
type lineReader struct {
	r     *bufio.Reader
	limit int
}

func newLineReader(r io.Reader, limit int) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10), limit: limit}
}

// next returns the next line without its end, \n or \r\n, and without blanks
// around it; the caller may keep it. The last line needs no end. The error is
// errLineTooLong, after which there may be more, or the reader's.
func (l *lineReader) next() ([]byte, error) {
	var line []byte
	tooLong, some := false, false
	for {
		part, err := l.r.ReadSlice('\n')
		some = some || len(part) > 0
		// Two bytes may be the line's end.
		if tooLong = tooLong || len(part)-2 > l.limit-len(line); !tooLong {
			line = append(line, part...)
		} else {
			line = nil
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !some {
			return nil, err
		}
		break // an error comes again when nothing is left
	}
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if tooLong || len(line) > l.limit {
		return nil, errLineTooLong
	}
	return bytes.Trim(line, " \t"), nil
}
