package plugin

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A Starter opens what the plugin works with, before there are calls. Plugins
// that it requires have been started. ctx ends with [Options.HookTimeout], so it
// is not for what goes on afterwards. A plugin that is disabled and enabled again
// is started again.
type Starter interface {
	Start(ctx context.Context) error
}

// A Stopper closes what Start opened, once the last call has ended or was given
// up. It is called after each Start that returned nil, and after one that did not.
type Stopper interface {
	Stop(ctx context.Context) error
}

// A Configurer takes a configuration, see [Setup].
type Configurer interface {
	// Config returns a pointer to the struct to fill in, with the defaults in
	// it. Keys are named by json tags. Unknown keys, values of the wrong type and
	// whatever its validate tags refuse are mistakes, told all at once.
	// A time.Duration is written "1m30s". The struct is filled in before Register
	// and not touched again.
	Config() any
}

// A Checker says whether the plugin is well. It is called by
// [Manager.Check], also during calls.
type Checker interface {
	Check(ctx context.Context) error
}

// An Interceptor has middleware for the calls of its own tools, prompts,
// resources and completions. Method and request are the protocol's: tools/call,
// prompts/get, resources/read and completion/complete. What the server itself
// does comes before.
type Interceptor interface {
	Middleware() mcp.Middleware
}

// A Requirer needs other plugins. They are started before it and stopped after
// it.
type Requirer interface {
	Requires() []Requirement
}

// A Requirement is another plugin, and which of its versions will do: a range
// such as ">= 1.2, < 2", "^1.2" or "~1.4". An empty Range means any version.
type Requirement struct {
	Name  string
	Range string
}

// A Permitter introduces permissions. Its tools, resources and prompts must then
// require no others.
type Permitter interface {
	Permissions() []Permission
}

// A Permission is one that the plugin asks callers for, such as
// "admin:invoices", and what it is good for.
type Permission struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// A Grouper introduces toolsets. Its tools, resources and prompts must then have
// no other tags. Several plugins may have a toolset together.
type Grouper interface {
	Toolsets() []Toolset
}

// A Toolset is a tag, and what is in it.
type Toolset struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// A Migrator takes over the state of the plugin that it replaces. No call of the
// old one runs any more, and none of the new one yet: those that come meanwhile
// wait. It comes before Start of the new one and before Stop of the old one.
// After an error, or if Start then fails, the old one goes on.
type Migrator interface {
	Migrate(ctx context.Context, old Plugin, version string) error
}
