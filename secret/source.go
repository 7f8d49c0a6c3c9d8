package secret

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// maxFile bounds what is read as a secret: keys and tokens are far shorter, and
// a path that is wrong may lead to anything.
const maxFile = 64 << 10

// FromFile reads a secret from a file, as Docker and Kubernetes mount them. One
// line end at the end of the file is not part of it. An empty file, and one of
// more than 64 KiB, is an error, which names the path and nothing of what is in
// the file.
func FromFile(path string) (Secret, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return Secret{}, fmt.Errorf("secret: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Secret{}, fmt.Errorf("secret: %w", err)
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	switch {
	case len(text) == 0:
		return Secret{}, fmt.Errorf("secret: %s is empty", path)
	case len(text) > maxFile:
		return Secret{}, fmt.Errorf("secret: %s has more than %d bytes", path, maxFile)
	}
	return New(string(text)), nil
}

// FromEnv reads a secret from the environment variable name or, where that is
// not set, from the file that name_FILE names. Neither, and an empty value, is
// the zero Secret: whether one is needed is for the caller to say. A value is
// better kept in a file: the environment of a process is seen by its children,
// and often by whoever may look at a list of processes.
func FromEnv(name string) (Secret, error) {
	if text, ok := os.LookupEnv(name); ok {
		return New(text), nil
	}
	if path := os.Getenv(name + "_FILE"); path != "" {
		s, err := FromFile(path)
		if err != nil {
			return Secret{}, fmt.Errorf("%s_FILE: %w", name, err)
		}
		return s, nil
	}
	return Secret{}, nil
}
