package plugin

// A Plugin is a set of tools, resources and prompts that come and go together.
// What else it can do is in the optional interfaces: [Starter], [Stopper],
// [Configurer], [Checker], [Interceptor], [Requirer], [Permitter], [Grouper] and
// [Migrator].
//
// A [Manager] calls its methods one after the other, never two of them at the
// same time, but for Check and for what was abandoned because it hung. It waits
// for none longer than [Options.HookTimeout]. A panic is an error of the plugin.
//
// A Plugin belongs to one manager, and is given to it once. What Name and Version
// return does not change.
type Plugin interface {
	// Name is unique among the plugins of a manager: 1 to 64 letters, digits,
	// '_', '-' and '.'.
	Name() string
	// Version is a semantic version, such as "1.4.0", see semver.org.
	Version() string
	// Register says what the plugin has, to r. It is called once, after the
	// configuration has been read and before Start, and neither opens nor starts
	// anything: what it says is forgotten if it is refused.
	Register(r *Registrar) error
}

// A Setup is a plugin and how it is to be used: give it to [Manager.Register]
// and its like instead of the plugin.
type Setup struct {
	Plugin

	// Prefix stands before the names of the plugin's tools, their aliases, and
	// prompts, as in "db.". URIs have none.
	Prefix string

	// Config is YAML or JSON for a [Configurer]: the text itself. ConfigFile is
	// the name of a file that has it, which is read each time the plugin is
	// registered. At most one of them is set.
	Config     []byte
	ConfigFile string
	// EnvPrefix lets the environment override single values: with "DB_", the
	// variable DB_POOL_MAX is for the key max below pool. Empty means that the
	// environment has no say.
	EnvPrefix string

	// Disabled registers the plugin without starting it, see [Manager.Enable].
	Disabled bool
}

// setup returns what p is to be used like.
func setup(p Plugin) Setup {
	switch s := p.(type) {
	case Setup:
		return s
	case *Setup:
		if s != nil {
			return *s
		}
	}
	return Setup{Plugin: p}
}
