package redis

// Source is the script that decides.
var Source = source

// Prefix is what all keys begin with.
func (l *Limits) Prefix() string { return l.prefix }
