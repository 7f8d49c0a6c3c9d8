package sqlite

import "context"

// Check tells whether the file can be read, and written as far as is known: nil
// means yes. The error is [eventstore.ErrWritesClosed] after a commit that failed,
// until the file is opened again.
func (b *Backend) Check(ctx context.Context) error {
	if err := b.writer.refuses.Load(); err != nil {
		return *err
	}
	_, err := b.Head(ctx)
	return err
}
