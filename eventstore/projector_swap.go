package eventstore

import "context"

// promote makes this version the current one, if the current one is older and
// not ahead of it. No reader sees the view go back: where the old version is
// ahead by some events, the new one takes them in first, in the same transaction.
func (r *runner) promote(ctx context.Context) error {
	name, version := r.projection.Name, r.projection.Version
	current, err := r.current(ctx)
	if err != nil {
		return err
	}
	locks := []string{currentLock(name)}
	if current > 0 {
		locks = append(locks, versionLock(name, current))
	}
	err = r.fenced(ctx, locks, func(ctx context.Context, tx ViewTx, s *projectionState) error {
		if now, err := loadCurrent(ctx, tx, name); err != nil || now != current || s.Position != r.state.Position {
			return err // another time
		}
		if current < version {
			caught, err := r.overtake(ctx, tx, s, current)
			if err != nil || !caught {
				return err
			}
			if err := saveCurrent(ctx, tx, name, version); err != nil {
				return err
			}
		}
		s.Promoted = true
		return nil
	})
	if _, poison := err.(*poisonError); poison { //nolint:errorlint // it is met again in the usual way
		return nil
	}
	if err == nil {
		r.reached(r.cursor)
	}
	return err
}

// overtake brings the view up to where the current version is, and returns
// false where that takes more than a batch.
func (r *runner) overtake(ctx context.Context, tx ViewTx, s *projectionState, current int) (bool, error) {
	if r.cursor.Compare(s.Position) > 0 {
		s.Position = r.cursor
	}
	old, _, err := loadState(ctx, tx, r.projection.Name, current)
	if err != nil || s.Position.Compare(old.Position) >= 0 {
		return err == nil, err
	}
	b, err := r.read(ctx, s.Position, r.projection.BatchEvents)
	if err != nil {
		return false, err
	}
	if _, err := r.apply(ctx, tx, s, b); err != nil {
		return false, err
	}
	return s.Position.Compare(old.Position) >= 0, nil
}

// current returns the version that readers get, or 0.
func (p *Projector) current(ctx context.Context) (version int, err error) {
	err = p.views.ReadViews(ctx, func(ctx context.Context, tx ViewTx) (err error) {
		version, err = loadCurrent(ctx, tx, p.projection.Name)
		return err
	})
	return version, err
}

// Promote makes this version the one that readers get, at once and wherever it
// is: to go back to an old one that was not removed. A version that has never
// run is an [*InvalidError]. A new version is promoted by itself, once, as soon as
// it has caught up.
func (p *Projector) Promote(ctx context.Context) error {
	name, version := p.projection.Name, p.projection.Version
	return p.change(ctx, []string{currentLock(name)}, func(ctx context.Context, tx ViewTx, s *projectionState) error {
		if s.Token == 0 {
			return invalid("version %d of projection %q has never run", version, name)
		}
		s.Promoted = true
		return saveCurrent(ctx, tx, name, version)
	})
}

// Remove takes out this version: its view, its parked events, its position. Its
// runners end with [ErrRemoved], and it cannot run again. What Apply wrote
// elsewhere stays. The current version is refused with an [*InvalidError]. An
// error in the midst leaves a part: repeat it.
func (p *Projector) Remove(ctx context.Context) error {
	name, version := p.projection.Name, p.projection.Version
	locks := []string{currentLock(name), versionLock(name, version)}
	for {
		more := false
		err := p.views.UpdateViews(ctx, locks, func(ctx context.Context, tx ViewTx) error {
			current, err := loadCurrent(ctx, tx, name)
			if err != nil {
				return err
			}
			if current == version {
				return invalid("version %d of projection %q is the current one", version, name)
			}
			if err := saveState(ctx, tx, name, version, projectionState{Removed: true}); err != nil {
				return err
			}
			more, err = p.sweep(ctx, tx)
			return err
		})
		if err != nil || !more {
			return err
		}
	}
}

// sweep takes out some entries, and reports whether it found any.
func (p *Projector) sweep(ctx context.Context, tx ViewTx) (bool, error) {
	const some = 1000
	for _, kind := range []string{"view", "parked"} {
		found, err := tx.Scan(ctx, p.space(kind), "", "", some)
		if err != nil {
			return false, err
		}
		if len(found) == 0 {
			continue
		}
		for i := range found {
			found[i].Value = nil
		}
		return true, tx.Put(ctx, p.space(kind), found)
	}
	return false, nil
}

func (p *Projector) space(kind string) string {
	return versionSpace(p.projection.Name, p.projection.Version, kind)
}
