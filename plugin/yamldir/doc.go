// Package yamldir keeps the plugins of a server as a directory of descriptions
// says: one plugin a file, see package httptool for what is in it.
//
//	dir, err := yamldir.Open(ctx, "plugins.d", srv.Plugins(), nil)
//	...
//	defer dir.Close()
//
// A file that comes registers its plugin, one that changes replaces it while
// clients are connected, one that goes unregisters it. Files are those whose
// names end in .yaml, .yml or .json and do not start with a dot. Directories in
// the directory are not looked into. Links are followed, so that a mounted
// ConfigMap of Kubernetes, which changes by a link to another directory, is
// followed like a plain one.
//
// The directory is as trusted as the program's own configuration: whoever writes
// there decides which hosts the server calls and with which secrets, within
// [httptool.Options].
package yamldir
