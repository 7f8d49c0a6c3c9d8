package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"

	"github.com/go-playground/validator/v10"
	"go.yaml.in/yaml/v4"
)

// maxConfig bounds the text of a configuration, in bytes.
const maxConfig = 4 << 20

// configure fills in the plugin's configuration.
func (m *Manager) configure(ctx context.Context, u *unit) error {
	p, ok := u.plugin.(Configurer)
	if !ok {
		if len(u.setup.Config) > 0 || u.setup.ConfigFile != "" || u.setup.EnvPrefix != "" {
			return errors.New("config: it takes none")
		}
		return nil
	}
	tree, err := u.readConfig()
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return m.hook(ctx, "Config", m.opts.HookTimeout, func(context.Context) error {
		config := p.Config()
		into := reflect.ValueOf(config)
		if into.Kind() != reflect.Pointer || into.IsNil() || into.Elem().Kind() != reflect.Struct {
			return fmt.Errorf("returned a %T, not a pointer to a struct", config)
		}
		r := &configReader{env: u.setup.EnvPrefix, wrong: map[string]bool{}}
		r.fill(into.Elem(), "", tree)
		return errors.Join(append(r.mistakes, r.validate(config))...)
	})
}

// readConfig returns the configuration as YAML has it; nil if there is none.
func (u *unit) readConfig() (any, error) {
	text := u.setup.Config
	if u.setup.ConfigFile != "" {
		if len(text) > 0 {
			return nil, errors.New("both Config and ConfigFile are set")
		}
		var err error
		if text, err = os.ReadFile(u.setup.ConfigFile); err != nil {
			return nil, err
		}
	}
	if len(text) > maxConfig {
		return nil, fmt.Errorf("longer than %d bytes", maxConfig)
	}
	if len(strings.TrimSpace(string(text))) == 0 {
		return nil, nil
	}
	var tree any
	if err := yaml.Load(text, &tree, yaml.WithV4Defaults()); err != nil {
		return nil, err
	}
	return tree, nil
}

var validation = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithTagNameFuncBlankOmit())
	v.RegisterTagNameFunc(jsonName)
	return v
})

// validate applies the validate tags, and tells all that they refuse, but for what
// could not be filled in.
func (r *configReader) validate(config any) error {
	err := validation().Struct(config)
	broken, ok := errors.AsType[validator.ValidationErrors](err)
	if !ok {
		return err
	}
	var errs []error
	for _, b := range broken {
		path := b.Namespace()
		if top := reflect.TypeOf(config).Elem().Name(); top != "" {
			path = strings.TrimPrefix(path, top+".")
		}
		if r.wrong[path] || r.wrong[""] {
			continue
		}
		rule := b.Tag()
		if b.Param() != "" {
			rule += "=" + b.Param()
		}
		errs = append(errs, fmt.Errorf("%s: breaks the rule %s", path, rule))
	}
	return errors.Join(errs...)
}
