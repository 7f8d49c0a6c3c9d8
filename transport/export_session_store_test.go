package transport

// RecordKey is what a session is kept under.
func RecordKey(id, owner string) string { return recordKey(id, owner) }

// RecodeRecord decodes a record and encodes it again, or returns nil.
func RecodeRecord(key string, data []byte) []byte {
	r, err := decodeRecord(key, data)
	if err != nil {
		return nil
	}
	_ = r.state()
	encoded, err := r.encode()
	if err != nil && err != errRecordSize { //nolint:errorlint // as encode returns it
		return []byte(err.Error())
	}
	return encoded
}

// SuccessorSurvives lets a session end when it has been rebuilt already, which
// happens between two steps of its end.
func SuccessorSurvives() bool {
	t := newSessionTable(nil, &settings{})
	old, rebuilt := &session{id: "a"}, &session{id: "a"}
	t.total = 2
	t.open["a"] = rebuilt
	t.remove(old)
	return t.find("a", "") == rebuilt
}
