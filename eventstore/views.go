package eventstore

import "context"

// Views is what a [Backend] may also do: keep what a [Projector] makes of the
// events, in the same transaction as how far it got. It is a table of entries
// with text keys, in spaces, and knows nothing of what they mean.
type Views interface {
	// UpdateViews runs f in a transaction and returns when that is durable.
	// Everything f did is stored, or nothing where there is an error.
	//
	// Transactions that name a lock in common run one after the other: f sees all
	// that the earlier ones did. Locks are taken in the order of their names, and
	// none is kept longer than the deadline of ctx, if it has one: a process that
	// is stopped in f does not hold up the others for good. Locks that are not
	// named in common may exclude each other too.
	//
	// An error of f that is to blame alone is returned as it is, not wrapped. Any
	// other error may be repeated, and so f may run more than once; it has ended
	// when UpdateViews returns. The outcome may be unknown: who repeats it looks
	// first what is there.
	//
	// The context of f is derived from ctx. Reading the store with it is allowed,
	// and sees what is committed; appending to it is not, and is an [*InvalidError].
	UpdateViews(ctx context.Context, locks []string, f func(ctx context.Context, tx ViewTx) error) error
	// ReadViews runs f with what was committed at one moment. Put fails in it.
	// f may run more than once.
	ReadViews(ctx context.Context, f func(ctx context.Context, tx ViewTx) error) error
}

// A ViewTx is a transaction of [Views], in the function it was given to. It is
// not safe for concurrent use.
type ViewTx interface {
	// Get returns the value of a key in a space, and if there is one.
	Get(ctx context.Context, space, key string) ([]byte, bool, error)
	// Scan returns up to limit entries of a space, whose keys begin with the prefix
	// and are behind after, in the order of their bytes.
	Scan(ctx context.Context, space, prefix, after string, limit int) ([]ViewEntry, error)
	// Put sets entries of a space, and takes out those whose Value is nil. The
	// backend may keep the values. No key is there twice.
	Put(ctx context.Context, space string, entries []ViewEntry) error
}

// A ViewEntry is a key with its value, which is JSON.
type ViewEntry struct {
	Key   string
	Value []byte
}
