// Package docs_test holds the documentation against the code.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	threatRow  = regexp.MustCompile(`(?m)^\| (\d+) \|.*\|([^|]*)\|$`)
	quotedName = regexp.MustCompile("`([A-Za-z0-9_]+)`")
	testFunc   = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]*)\(`)
	numbered   = regexp.MustCompile(`Threat(\d\d)(?:And(\d\d))?_`)
)

// tests returns the names of all tests of all modules.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && len(entry.Name()) > 2 && entry.Name()[0] == '.':
			return fs.SkipDir // tools and caches
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		for _, match := range testFunc.FindAllStringSubmatch(string(source), -1) {
			names[match[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestThreats_HaveTheTestsThatThePageNames(t *testing.T) {
	page, err := os.ReadFile("threats.md")
	if err != nil {
		t.Fatal(err)
	}
	existing, rows := tests(t), map[int]int{} // number to how many tests it has
	for _, row := range threatRow.FindAllStringSubmatch(string(page), -1) {
		number, _ := strconv.Atoi(row[1])
		rows[number] += 0
		for _, name := range quotedName.FindAllStringSubmatch(row[2], -1) {
			if rows[number]++; !existing[name[1]] {
				t.Errorf("%d: there is no %s", number, name[1])
			}
		}
	}
	for name := range existing {
		for _, match := range numbered.FindAllStringSubmatch(name, -1) {
			for _, digits := range match[1:] {
				number, err := strconv.Atoi(digits)
				if _, known := rows[number]; err == nil && !known {
					t.Errorf("%s is for a line that is not there", name)
				}
				rows[number]++
			}
		}
	}
	for number := 1; number <= 48; number++ {
		if rows[number] == 0 {
			t.Errorf("%d: no test", number)
		}
	}
}
