package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidwall/sjson"
)

func (a *app) installCommand() *cobra.Command {
	var name, host, file string
	var yes bool
	c := a.targetFlags(&cobra.Command{
		Use:   "install URL | -- COMMAND",
		Short: "Write a server into the configuration of an MCP host",
		Long: `Write a server into the configuration of an MCP host. It shows what it would write and
asks first, and keeps the file as it was beside the new one.

Headers given with --header are written into the file; a token in the environment is not.

The hosts: ` + strings.Join(slices.Sorted(maps.Keys(hosts)), ", ") + ".",
		RunE: func(c *cobra.Command, args []string) error {
			t, err := parseTarget(c, args)
			if err != nil {
				return err
			}
			h, known := hosts[host]
			switch {
			case len(t.rest) > 0:
				return usage("install takes one server, not also %q", t.rest)
			case !known:
				return usage("--host %q: the hosts are %s", host, strings.Join(slices.Sorted(maps.Keys(hosts)), ", "))
			case name == "":
				return usage("--name: what the host shall call the server")
			}
			if file == "" {
				if file, err = h.path(); err != nil {
					return err
				}
			}
			entry, err := h.entry(t, a.target)
			if err != nil {
				return err
			}
			return a.install(h, file, name, entry, yes)
		},
	})
	f := c.Flags()
	f.StringVar(&host, "host", "", "the MCP host")
	f.StringVar(&name, "name", "", "what the host shall call the server")
	f.StringVar(&file, "file", "", "the configuration file, if it is not at its usual place")
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// install writes an entry into a configuration file.
func (a *app) install(h host, file, name string, entry []byte, yes bool) error {
	before, err := os.ReadFile(file) //nolint:gosec // the user's own file
	switch {
	case errors.Is(err, fs.ErrNotExist):
		before = []byte("{}")
	case err != nil:
		return err
	case len(bytes.TrimSpace(before)) == 0:
		before = []byte("{}")
	}
	exists := err == nil
	if !json.Valid(before) {
		return fmt.Errorf("%s is not plain JSON (it may have comments), so it is left alone; add to %q:\n%q: %s", file, h.key, name, entry)
	}
	path := h.key + "." + strings.NewReplacer(".", `\.`, "*", `\*`, "?", `\?`, "|", `\|`, "#", `\#`, "@", `\@`, ":", `\:`).Replace(name)
	after, err := sjson.SetRawBytes(before, path, entry)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, after, "", "  "); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	pretty.WriteByte('\n')
	a.printf("%s\n  %s\n  %q: %s\n", a.paint(bold, file), h.key, name, entry)
	if !yes && !a.agreed("Write it?") {
		return errors.New("nothing was written")
	}
	if exists {
		backup := file + ".bak-" + time.Now().UTC().Format("20060102-150405")
		if err := os.WriteFile(backup, before, 0o600); err != nil { //nolint:gosec // beside the user's own file
			return err
		}
		a.printf("what was there is in %s\n", backup)
	}
	return replace(file, pretty.Bytes())
}

// agreed asks the user; whatever is not a yes is a no.
func (a *app) agreed(question string) bool {
	a.printf("%s [y/N] ", question)
	line, _ := bufio.NewReader(a.in).ReadString('\n') // an end without a line is a no
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

// replace writes a file whole or not at all, and keeps its permissions.
func replace(file string, content []byte) error {
	if link, err := filepath.EvalSymlinks(file); err == nil {
		file = link // dotfiles are often links
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), ".trestle-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // it is gone where all went well
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
	}
	_, err = temporary.Write(content)
	if err := errors.Join(err, temporary.Chmod(mode), temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), file)
}
