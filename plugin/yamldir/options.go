package yamldir

import (
	"log/slog"
	"time"

	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/plugin/httptool"
)

// DefaultInterval is how often the directory is looked at by default.
const DefaultInterval = 2 * time.Second

// Options say how a [Dir] follows its directory. The zero value is ready to use.
type Options struct {
	// Interval is how often the directory is looked at; what a file holds is taken
	// once it was seen twice. Zero means 2 seconds; negative means only when
	// [Dir.Reload] says so.
	Interval time.Duration
	// HTTP is what the program decides about all plugins of the directory.
	HTTP httptool.Options
	// Setup says how a plugin is used, such as with a prefix before the names of
	// its tools. Nil means as it is.
	Setup func(*httptool.Plugin) plugin.Setup
	// Logger is told at level info of each file that was taken later, and at level error
	// of each that was not. Nil means no log.
	Logger *slog.Logger
}

// Stats are the counters of a [Dir].
type Stats struct {
	Files    int // that are served
	Failing  int // that are not served as they are now
	Looks    int64
	Changes  int64 // that were made: plugins registered, replaced and unregistered
	Failures int64 // changes that were refused, each time they were tried
}
