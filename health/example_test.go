package health_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"

	"github.com/trestle-mcp/trestle/health"
)

func Example() {
	m := health.New(nil)
	defer m.Close(context.Background())
	_, err := m.Register(health.Check{Name: "queue", Checker: health.Func(func(context.Context) error {
		return nil // what a ping of the queue says
	})})
	if err != nil {
		fmt.Println(err)
		return
	}
	for !m.Started() { // an orchestrator waits by asking /startupz
		runtime.Gosched()
	}
	admin := httptest.NewServer(m.Handler())
	defer admin.Close()
	for range 2 {
		res, err := http.Get(admin.URL + health.PathReady)
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = res.Body.Close()
		fmt.Println(res.StatusCode, m.Status())
		m.Drain() // what a shutdown does first
	}
	// Output:
	// 200 healthy
	// 503 unhealthy
}
