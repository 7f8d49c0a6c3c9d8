package auth

import (
	"fmt"
	"sync"
	"testing"
)

func key(n int) digest { return digestOf(fmt.Sprint(n)) }

func TestMemory_IsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	m := newMemory[int](100)
	m.put(key(-1), -1, 0)
	for n := range 10_000 {
		m.put(key(n), n, 0)
		if _, ok := m.get(key(-1)); !ok {
			t.Fatalf("what is used was forgotten at %d", n)
		}
		if size := len(m.young) + len(m.old); size > 100 {
			t.Fatalf("%d entries", size)
		}
	}
	if _, ok := m.get(key(0)); ok {
		t.Error("what nobody used is still there")
	}
	if v, ok := m.get(key(9_999)); !ok || v != 9_999 {
		t.Errorf("got %d, %t", v, ok)
	}
	m.drop(key(9_999))
	if _, ok := m.get(key(9_999)); ok {
		t.Error("dropped, and still there")
	}
}

func TestMemory_ForgetsAlsoWhatIsBeingFoundOut(t *testing.T) {
	m := newMemory[int](10)
	m.put(key(1), 1, m.begin())
	epoch := m.begin()
	m.forget()
	m.put(key(2), 2, epoch)
	for n := 1; n <= 2; n++ {
		if _, ok := m.get(key(n)); ok {
			t.Errorf("%d is still there", n)
		}
	}
}

func TestMemory_OfNothingRemembersNothing(t *testing.T) {
	for _, size := range []int{-1, 0, 1} {
		m := newMemory[int](size)
		m.put(key(1), 1, m.begin())
		if _, ok := m.get(key(1)); ok {
			t.Errorf("size %d", size)
		}
	}
}

func TestMemory_ServesManyAtOnce(t *testing.T) {
	m := newMemory[int](64)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 500 {
				k := (n*7 + g) % 100
				m.put(key(k), k, m.begin())
				if v, ok := m.get(key((k + 1) % 100)); ok && v != (k+1)%100 {
					t.Errorf("%d gave %d", k, v)
				}
				if n%100 == 0 {
					m.forget()
				}
			}
		})
	}
	wg.Wait()
}
