package httptool

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxMistakes bounds what one description can fill a log with.
const maxMistakes = 64

// mistakes are all that is wrong with a description.
type mistakes struct {
	list []mistake
	more int
}

// A mistake is at a path such as tools[2].url; line is zero where only that is known.
type mistake struct {
	path, text string
	line       int
}

func (m *mistakes) add(path, format string, args ...any) { m.addLine(0, path, format, args...) }

func (m *mistakes) addLine(line int, path, format string, args ...any) {
	if len(m.list) == maxMistakes {
		m.more++
		return
	}
	m.list = append(m.list, mistake{path, clip(fmt.Sprintf(format, args...), 512), line})
}

// err returns all mistakes as one error, or nil.
func (m *mistakes) err() error { return m.render(func(mistake) string { return "" }) }

// at returns all mistakes as one error, each with file and line.
func (m *mistakes) at(file string, line func(path string) int) error {
	return m.render(func(one mistake) string {
		if one.line == 0 {
			one.line = line(one.path)
		}
		return fmt.Sprintf("%s:%d: ", file, one.line)
	})
}

func (m *mistakes) render(where func(mistake) string) error {
	var errs []error
	for _, one := range m.list {
		text := one.text
		if one.path != "" {
			text = fmt.Sprintf("%s: %s", printable(one.path), text)
		}
		errs = append(errs, errors.New(where(one)+printable(text)))
	}
	if m.more > 0 {
		errs = append(errs, fmt.Errorf("and %d more", m.more))
	}
	return errors.Join(errs...)
}

// printable keeps control characters out of logs and terminals.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}

// clip returns at most n bytes of s, in whole runes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
