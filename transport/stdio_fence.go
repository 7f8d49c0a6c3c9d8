package transport

import (
	"crypto/rand"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// fenceMethod is no method of any server: go-sdk answers it itself, in the
// order of its queue, and no middleware sees it.
const fenceMethod = "trestle/fence"

// A fence tells how many notifications wait in go-sdk's queue. go-sdk does not
// say when it has handled one, so now and then a call is put behind them: its
// answer, which is not sent, says that all before it are handled.
type fence struct {
	limit int
	id    jsonrpc.ID

	mu      sync.Mutex
	sent    int           // notifications in all
	handled int           // of those, known to be handled
	mark    int           // what was sent when the call was put, 0 if none is
	wait    chan struct{} // closed when the call is answered
}

func newFence(limit int) *fence {
	id, _ := jsonrpc.MakeID("fence-" + rand.Text()) // nobody can have the same
	return &fence{limit: limit, id: id}
}

// passed notes a notification. A valid id is that of the call to put now; wait
// is not nil if no more may pass before it is closed.
func (f *fence) passed() (wait <-chan struct{}, id jsonrpc.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent++
	if f.mark == 0 && f.sent-f.handled >= max(1, f.limit/2) {
		f.mark, f.wait, id = f.sent, make(chan struct{}), f.id
	}
	if f.sent-f.handled >= f.limit {
		wait = f.wait
	}
	return wait, id
}

// reached reports whether id is that of the fence's call, which is answered.
func (f *fence) reached(id jsonrpc.ID) bool {
	if id != f.id {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mark != 0 {
		f.handled, f.mark = f.mark, 0
		close(f.wait)
	}
	return true
}
