package server

import (
	"errors"
	"fmt"
	"strings"
)

const maxName = 64

// checkName accepts what every client and model provider accepts: a subset of
// the 2025-11-25 text (server/tools, "Tool Names"), which allows 128.
func checkName(name string) error {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."
	switch {
	case name == "":
		return errors.New("name: missing")
	case len(name) > maxName:
		return fmt.Errorf("name: %d characters, at most %d are allowed", len(name), maxName)
	}
	for _, r := range name {
		if !strings.ContainsRune(allowed, r) {
			return fmt.Errorf("name: %q is not allowed, only letters, digits, '_', '-' and '.'", r)
		}
	}
	return nil
}

func checkDescription(d string) error {
	if strings.TrimSpace(d) == "" {
		return errors.New("description: missing; a model chooses by it")
	}
	return nil
}
