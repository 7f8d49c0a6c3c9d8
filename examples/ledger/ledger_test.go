package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

func TestLedger_DoesWhatItsToolsSayOnEveryRoad(t *testing.T) {
	mcptest.Matrix(t, newTestLedger(t).newServer(t), func(t *testing.T, c *mcptest.Client) {
		open := func(owner string) string {
			var out openOut
			c.Call("open_account", map[string]any{"owner": owner}).OK().Decode(&out)
			return out.Account
		}
		ann, bob := open("Ann"), open("Bob")
		id := func(s string) string { return t.Name() + s }
		receipt := func(tool string, args map[string]any, balance, version int64) {
			t.Helper()
			var got receipt
			if c.Call(tool, args).OK().Decode(&got); got.Balance != balance || got.Version != version {
				t.Errorf("%s: %+v", tool, got)
			}
		}
		receipt("deposit", map[string]any{"account": ann, "amount": 1000, "request_id": id("1")}, 1000, 2)
		receipt("withdraw", map[string]any{"account": ann, "amount": 300, "request_id": id("2")}, 700, 3)
		receipt("transfer", map[string]any{"from": ann, "to": bob, "amount": 200, "request_id": id("3")}, 500, 4)
		receipt("deposit", map[string]any{"account": ann, "amount": 1000, "request_id": id("1")}, 1000, 2)
		receipt("balance_at", map[string]any{"account": ann, "version": 3}, 700, 3)
		receipt("balance_at", map[string]any{"account": bob, "version": 2}, 200, 2)

		c.Call("withdraw", map[string]any{"account": bob, "amount": 201, "request_id": id("4")}).Fails(mcperrors.Conflict)
		c.Call("transfer", map[string]any{"from": bob, "to": ann, "amount": 201, "request_id": id("5")}).Fails(mcperrors.Conflict)
		c.Call("deposit", map[string]any{"account": ann, "amount": 999, "request_id": id("1")}).Fails(mcperrors.Conflict)
		c.Call("transfer", map[string]any{"from": ann, "to": ann, "amount": 1, "request_id": id("6")}).Fails(mcperrors.Validation)
		for _, amount := range []any{0, -1, 1.5, "1", int64(math.MaxInt64)} {
			c.Call("deposit", map[string]any{"account": ann, "amount": amount, "request_id": id("7")}).Fails(mcperrors.Validation)
		}
		c.Call("deposit", map[string]any{"account": "nobody", "amount": 1, "request_id": id("8")}).Fails(mcperrors.NotFound)
		c.Call("transfer", map[string]any{"from": ann, "to": "nobody", "amount": 1, "request_id": id("9")}).Fails(mcperrors.NotFound)
		c.Call("balance_at", map[string]any{"account": ann, "version": 5}).Fails(mcperrors.NotFound)

		var all, some historyOut
		c.Call("history", map[string]any{"account": ann}).OK().Decode(&all)
		c.Call("history", map[string]any{"account": ann, "from_version": 4}).OK().Decode(&some)
		var types []string
		for _, e := range all.Events {
			types = append(types, e.Type)
		}
		if got := strings.Join(types, " "); got != "account.opened money.deposited money.withdrawn transfer.sent" {
			t.Errorf("history: %s", got)
		}
		if len(some.Events) != 1 || some.Events[0].Amount != 200 || some.Events[0].Other != bob || some.Events[0].RequestID != id("3") {
			t.Errorf("history from 4: %+v", some)
		}
		s := readSheet(t, c)
		for _, l := range s.Page {
			if l.Account == bob && (l.Balance != 200 || l.Version != 2 || l.Owner != "Bob") {
				t.Errorf("balances: %+v", l)
			}
		}
		if s.InTransit != 0 || s.Balance != s.Accounts/2*700 { // each road leaves two accounts with 700
			t.Errorf("balances: %+v", s.total)
		}
	})
}

func TestLedger_ARepeatedRequestGetsTheFirstAnswer(t *testing.T) {
	l := newTestLedger(t)
	ann, bob := l.mustOpen(t, "Ann"), l.mustOpen(t, "Bob")
	first := func(got receipt, err error) func(string, receipt, error) {
		must(t, err)
		return func(what string, again receipt, err error) {
			t.Helper()
			if err != nil || again != got {
				t.Errorf("%s again: %+v, %v; first %+v", what, again, err, got)
			}
		}
	}
	ctx := t.Context()
	d := first(l.deposit(ctx, in(ann, 100, "d")))
	w := first(l.withdraw(ctx, in(ann, 60, "w")))
	x := first(l.transfer(ctx, move(ann, bob, 40, "x")))
	_, err := l.deposit(ctx, in(ann, 5, "later"))
	must(t, err)
	for range 2 {
		again, err := l.deposit(ctx, in(ann, 100, "d"))
		d("deposit", again, err)
		again, err = l.withdraw(ctx, in(ann, 60, "w")) // the money is not there any more
		w("withdraw", again, err)
		again, err = l.transfer(ctx, move(ann, bob, 40, "x"))
		x("transfer", again, err)
	}
	for what, err := range map[string]error{
		"other amount":         second(l.deposit(ctx, in(ann, 101, "d"))),
		"other account":        second(l.deposit(ctx, in(bob, 100, "d"))),
		"other tool":           second(l.withdraw(ctx, in(ann, 1, "d"))),
		"other tool, no money": second(l.withdraw(ctx, in(ann, 100, "d"))),
		"other payee":          second(l.transfer(ctx, move(ann, l.mustOpen(t, "Joe"), 40, "x"))),
		"other payer":          second(l.transfer(ctx, move(bob, ann, 40, "x"))),
	} {
		if mcperrors.CodeOf(err) != mcperrors.Conflict {
			t.Errorf("%s: %v", what, err)
		}
	}
	if s := l.sheetOf(t, ""); s.Balance != 45 || s.InTransit != 0 {
		t.Errorf("%+v", s.total)
	}
}

func second[A any](_ A, err error) error { return err }

func TestLedger_ARequestThatWasRefusedDidNothing(t *testing.T) {
	l := newTestLedger(t)
	ann, bob := l.mustOpen(t, "Ann"), l.mustOpen(t, "Bob")
	for range 2 {
		if err := second(l.transfer(t.Context(), move(ann, bob, 10, "x"))); mcperrors.CodeOf(err) != mcperrors.Conflict {
			t.Fatal(err)
		}
	}
	must(t, second(l.deposit(t.Context(), in(ann, 10, "d"))))
	must(t, second(l.transfer(t.Context(), move(ann, bob, 10, "x"))))
	if r, err := l.balanceAt(t.Context(), bob, 2); err != nil || r.Balance != 10 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestLedger_ARequestThatIsRepeatedAtTheSameTimeCountsOnce(t *testing.T) {
	l := newTestLedger(t)
	ann, bob := l.mustOpen(t, "Ann"), l.mustOpen(t, "Bob")
	must(t, second(l.deposit(t.Context(), in(ann, 1000, "start"))))
	var wg sync.WaitGroup
	const requests, repeats = 10, 4
	var answers [requests][repeats]receipt
	for i := range requests {
		for j := range repeats {
			wg.Go(func() {
				r, err := l.transfer(t.Context(), move(ann, bob, 100, fmt.Sprint("t", i))) // all of them need all the money
				if answers[i][j] = r; err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	seen := map[int64]bool{}
	for _, a := range answers {
		for _, r := range a {
			if r != a[0] {
				t.Errorf("answers %+v", a)
			}
		}
		if seen[a[0].Version] || a[0].Balance != 1000-100*(a[0].Version-2) {
			t.Errorf("answer %+v", a[0])
		}
		seen[a[0].Version] = true
	}
	if s := l.sheetOf(t, ""); s.Balance != 1000 || s.InTransit != 0 {
		t.Errorf("%+v", s.total)
	}
}

func TestLedger_DeliversWhatItFindsOnItsWay(t *testing.T) {
	l := newTestLedger(t)
	ann, bob := l.mustOpen(t, "Ann"), l.mustOpen(t, "Bob")
	must(t, second(l.deposit(t.Context(), in(ann, 100, "d"))))
	// As if killed in between.
	must(t, second(l.change(t.Context(), sent, ann, bob, request{30, "x"}, nil)))
	if s := l.sheetOf(t, ""); s.Balance != 70 || s.InTransit != 30 {
		t.Fatalf("%+v", s.total)
	}
	for range 2 {
		must(t, l.deliverOnce(t.Context()))
		if s := l.sheetOf(t, ""); s.Balance != 100 || s.InTransit != 0 {
			t.Fatalf("%+v", s.total)
		}
	}
	if r, err := l.transfer(t.Context(), move(ann, bob, 30, "x")); err != nil || r != (receipt{70, 3}) {
		t.Errorf("repeated: %+v, %v", r, err)
	}
	if a, version, err := l.load(t.Context(), bob); err != nil || a.Balance != 30 || version != 2 {
		t.Errorf("%+v at %d, %v", a, version, err)
	}
}

func TestLedger_PagesAndSnapshots(t *testing.T) {
	b := openFile(t, t.TempDir()+"/ledger.db")
	l := ledgerOver(t, b)
	ann := l.mustOpen(t, "Ann")
	for i := range 250 {
		must(t, second(l.deposit(t.Context(), in(ann, 1, fmt.Sprint("d", i)))))
	}
	versions := int64(0)
	for from, more := int64(0), true; more; {
		page, err := l.history(t.Context(), historyIn{ann, from})
		must(t, err)
		for _, e := range page.Events {
			if versions++; e.Version != versions {
				t.Fatalf("version %d after %d", e.Version, versions-1)
			}
		}
		from, more = page.Next, page.Next > 0
	}
	if versions != 251 {
		t.Errorf("%d versions", versions)
	}
	for _, at := range []int64{1, 2, 100, 251} {
		if r, err := l.balanceAt(t.Context(), ann, at); err != nil || r != (receipt{at - 1, at}) {
			t.Errorf("at %d: %+v, %v", at, r, err)
		}
	}
	eventually(t, "a snapshot is written", func() bool {
		s, ok, err := b.LoadSnapshot(t.Context(), streamOf(ann), "account")
		must(t, err)
		return ok && s.Version >= 200
	})
}

func TestLedger_BalancesHavePages(t *testing.T) {
	l := ledgerOver(t, eventstore.NewMemory())
	for i := range sheetPage + 7 {
		l.mustOpen(t, fmt.Sprint(i))
	}
	seen := map[string]bool{}
	next, pages := balancesURI, 0
	for ; next != ""; pages++ {
		_, after, _ := strings.Cut(next, "?after=")
		s := l.sheetOf(t, after)
		for _, one := range s.Page {
			seen[one.Account] = true
		}
		next = s.Next
	}
	if pages != 2 || len(seen) != sheetPage+7 {
		t.Errorf("%d pages, %d accounts", pages, len(seen))
	}
}

func TestLedger_NoAccountOverflows(t *testing.T) {
	l := ledgerOver(t, eventstore.NewMemory())
	ann, bob := l.mustOpen(t, "Ann"), l.mustOpen(t, "Bob")
	a := account{Balance: maxBalance - 5}
	if a.refusal(5) != nil || mcperrors.CodeOf(a.refusal(6)) != mcperrors.Conflict {
		t.Error("the bound is not kept")
	}
	full, err := eventstore.NewEvent(deposited, fact{Amount: maxBalance})
	must(t, err)
	must(t, second(l.store.Append(t.Context(), streamOf(bob), eventstore.Exists, full)))
	must(t, second(l.deposit(t.Context(), in(ann, 10, "d"))))
	if err := second(l.transfer(t.Context(), move(ann, bob, 10, "x"))); mcperrors.CodeOf(err) != mcperrors.Conflict {
		t.Errorf("into a full account: %v", err)
	}
	if r, err := l.balanceAt(t.Context(), ann, 2); err != nil || r.Balance != 10 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestDelivery_OneThatCannotBeDeliveredHoldsUpNoOther(t *testing.T) {
	l := newTestLedger(t)
	ann, bob, joe := l.mustOpen(t, "Ann"), l.mustOpen(t, "Bob"), l.mustOpen(t, "Joe")
	must(t, second(l.deposit(t.Context(), in(ann, 100, "d"))))
	must(t, l.store.Tombstone(t.Context(), streamOf(bob), eventstore.Any)) // by hand: no tool does it
	must(t, second(l.change(t.Context(), sent, ann, bob, request{30, "1"}, nil)))
	must(t, second(l.change(t.Context(), sent, ann, joe, request{20, "2"}, nil)))
	if err := l.deliverOnce(t.Context()); !errors.Is(err, eventstore.ErrTombstoned) {
		t.Error(err)
	}
	if a, _, err := l.load(t.Context(), joe); err != nil || a.Balance != 20 {
		t.Errorf("%+v, %v", a, err)
	}
	if s := l.sheetOf(t, ""); s.InTransit != 30 || s.Balance != 70 {
		t.Errorf("%+v", s.total)
	}
}

func TestDelivery_GoesOnUntilItsEnd(t *testing.T) {
	l := ledgerOver(t, eventstore.NewMemory())
	ann, bob := l.mustOpen(t, "Ann"), l.mustOpen(t, "Bob")
	must(t, second(l.deposit(t.Context(), in(ann, 100, "d"))))
	var wg sync.WaitGroup
	ctx, cancel := withCancel(t)
	wg.Go(func() { l.deliverAll(ctx, 1, zap.NewNop()) })
	must(t, second(l.change(t.Context(), sent, ann, bob, request{30, "x"}, nil)))
	eventually(t, "it is delivered", func() bool { return l.sheetOf(t, "").InTransit == 0 })
	cancel()
	wg.Wait()
}

func TestLedger_SubscribersAreToldOfChangedBalances(t *testing.T) {
	l := newTestLedger(t)
	ann := l.mustOpen(t, "Ann")
	srv := l.newServer(t)
	updated := make(chan string, 100)
	c := mcptest.New(t, srv, mcptest.Legacy(), mcptest.WithClient(&mcp.ClientOptions{
		ResourceUpdatedHandler: func(_ context.Context, r *mcp.ResourceUpdatedNotificationRequest) { updated <- r.Params.URI },
	}))
	must(t, c.Subscribe(t.Context(), &mcp.SubscribeParams{URI: balancesURI}))
	var wg sync.WaitGroup
	ctx, cancel := withCancel(t)
	wg.Go(func() { l.tellUpdates(ctx, time.Millisecond, srv) })
	<-updated // it has begun
	for i := 0; ; i++ {
		must(t, second(l.deposit(t.Context(), in(ann, 1, fmt.Sprint("d", i)))))
		select {
		case uri := <-updated:
			if s := readSheet(t, c); uri != balancesURI || s.Balance == 0 {
				t.Errorf("%s: %+v", uri, s.total)
			}
			cancel()
			wg.Wait()
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// A remote backend cannot be read while it is away.
type remote struct {
	*eventstore.Memory
	away atomic.Bool
}

func (r *remote) ReadAll(ctx context.Context, q eventstore.AllQuery) (eventstore.Page, error) {
	if r.away.Load() {
		return eventstore.Page{}, errors.New("away")
	}
	return r.Memory.ReadAll(ctx, q)
}

func TestLedger_SubscribersAreToldOfWhatChangedWhileTheStoreWasAway(t *testing.T) {
	b := &remote{Memory: eventstore.NewMemory()}
	l := ledgerOver(t, b)
	ann := l.mustOpen(t, "Ann")
	core, logs := observer.New(zap.WarnLevel)
	srv, err := server.New("ledger", "1", &server.Options{Logger: zap.New(core)})
	must(t, err)
	l.addTools(srv)
	updated := make(chan struct{}, 1)
	c := mcptest.New(t, srv, mcptest.Legacy(), mcptest.WithClient(&mcp.ClientOptions{
		ResourceUpdatedHandler: func(context.Context, *mcp.ResourceUpdatedNotificationRequest) {
			select {
			case updated <- struct{}{}:
			default: // it is told already
			}
		},
	}))
	must(t, c.Subscribe(t.Context(), &mcp.SubscribeParams{URI: balancesURI}))
	var wg sync.WaitGroup
	ctx, cancel := withCancel(t)
	wg.Go(func() { l.tellUpdates(ctx, 10*time.Millisecond, srv) })
	<-updated // it has begun

	b.away.Store(true)
	must(t, second(l.deposit(t.Context(), in(ann, 1, "d"))))
	eventually(t, "it notices", func() bool { return logs.FilterMessageSnippet("nobody is told").Len() > 0 })
	b.away.Store(false)
	eventually(t, "it tells", func() bool {
		select {
		case <-updated:
			return readSheet(t, c).Balance == 1
		default:
			return false
		}
	})
	cancel()
	wg.Wait()
}
