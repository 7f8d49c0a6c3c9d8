package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/trestle-mcp/trestle/internal/unseen"
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

// checkSeen refuses what people would not see of a definition, and a model would
// read: that is how instructions are smuggled into descriptions.
func checkSeen(definition any) error {
	raw, err := json.Marshal(definition)
	if err != nil {
		return nil //nolint:nilerr // said elsewhere
	}
	if r, found := unseen.InJSON(raw); found {
		return fmt.Errorf("the character %U in it is not visible, and is read all the same", r)
	}
	return nil
}
