// Package sqlite keeps the events of an [eventstore.Store] in one SQLite file.
//
//	backend, err := sqlite.Open(ctx, "events.db", nil)
//	if err != nil {
//		return err
//	}
//	defer backend.Close()
//	store := eventstore.New(backend, nil)
//
// # Durability
//
// An append is acknowledged after its transaction is on the disk (write-ahead
// log, synchronous=FULL). Appends that arrive while another one is written
// share the next transaction: one goroutine commits for all. After a commit of
// which nobody knows what reached the disk, writes answer
// [eventstore.ErrWritesClosed] until the file is opened again.
//
// # Damage
//
// Each event has a checksum, positions and versions have no gaps, and every read
// checks what it sees of that: one with a filter only the checksums. Beside the file, in one with the suffix "-ack",
// stands how far it was acknowledged; it is written without being synced, so it
// knows of everything that a killed process acknowledged, and may lag behind
// after a loss of power. A file that ends before it, or is damaged where Open
// looks, is refused with a [*CorruptError] and left as it is. Open looks at all
// of a small file and at the end of a large one; [Backend.Verify] looks at all.
//
// # Sharing
//
// Several processes of one machine may open the same file, not over a network
// file system. Each polls for what the others wrote.
//
// The tables "events" and "views" are there to be queried with SQL, not to be
// written to. An application may have tables of its own in the file: a projection
// writes to them in its transaction, see [TxFrom].
package sqlite
