package sqlite

import "fmt"

// SetMaxPages makes the disk full when the file has so many pages.
func (b *Backend) SetMaxPages(n int) error {
	return b.writer.do(b.writer.tx.ctx, func(t *tx) error {
		var now int
		return t.row(fmt.Sprintf("PRAGMA max_page_count = %d", n)).Scan(&now)
	})
}

// FailCommits replaces what a commit answers, from the next one on.
func (b *Backend) FailCommits(err error) error {
	return b.writer.do(b.writer.tx.ctx, func(*tx) error {
		b.writer.commit = func() error { return err }
		return nil
	})
}

// Hold keeps the writer busy until release is closed. It returns when it is.
func (b *Backend) Hold(release <-chan struct{}) {
	held := make(chan struct{})
	go func() {
		_ = b.writer.do(b.writer.tx.ctx, func(*tx) error {
			close(held)
			<-release
			return nil
		})
	}()
	<-held
}

// Waiting returns how many requests wait for the writer.
func (b *Backend) Waiting() int { return len(b.writer.requests) }

// Commits counts the commits from now on.
func (b *Backend) Commits(count func()) error {
	return b.writer.do(b.writer.tx.ctx, func(*tx) error {
		commit := b.writer.commit
		b.writer.commit = func() error {
			count()
			return commit()
		}
		return nil
	})
}
