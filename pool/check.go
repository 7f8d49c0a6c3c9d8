package pool

import (
	"context"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// Check returns nil if the pool can serve: it borrows a resource and validates
// it, whether that is due or not. A pool whose resources are all lent is busy,
// not ill: as long as it lets callers in, Check returns nil. It is unavailable
// while nothing can be made and nothing is idle.
func (p *Pool[T]) Check(ctx context.Context) error {
	if p.inUse.Load() >= int64(p.cfg.MaxSize) {
		if err := p.admit(); err != nil {
			return err
		}
		p.leave()
		return nil
	}
	if err := p.admit(); err != nil {
		return err
	}
	lease, err := p.borrow(ctx, p.take, true)
	if err != nil {
		p.leave()
		if mcperrors.CodeOf(err) == mcperrors.Exhausted && p.inUse.Load() >= int64(p.cfg.MaxSize) {
			return nil // all are lent by now
		}
		return err
	}
	lease.Release()
	return nil
}
