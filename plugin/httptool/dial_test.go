package httptool_test

import (
	"context"
	"net"
)

func contextless(dial func(network, address string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, network, address string) (net.Conn, error) { return dial(network, address) }
}
