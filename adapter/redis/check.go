package redis

import (
	"context"

	"github.com/redis/rueidis"
)

// Check tells whether Redis answers: nil means yes. While it does not, limiters
// decide as their Failure says, so the process is degraded rather than unhealthy.
func (l *Limits) Check(ctx context.Context) error { return ping(ctx, l.client) }

// Check tells whether Redis answers: nil means yes.
func (s *SessionStore) Check(ctx context.Context) error { return ping(ctx, s.client) }

func ping(ctx context.Context, client rueidis.Client) error {
	_, err := await(ctx, 0, func() (struct{}, error) {
		return struct{}{}, client.Do(ctx, client.B().Ping().Build()).Error()
	})
	return err
}
