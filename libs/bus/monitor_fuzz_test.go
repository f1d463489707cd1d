package bus

import "testing"

// FuzzReadMonitored: whatever answers at a monitoring address makes nothing panic, and only a server that names itself is believed.
func FuzzReadMonitored(f *testing.F) {
	for _, seed := range []string{
		`{"server_id":"N1","server_name":"a","version":"2.15.2","jetstream":{"config":{"sync_interval":120000000000}},"tags":["bulkhead.durability:unsafe"]}`,
		`{"server_id":"N1","jetstream":{"config":{"sync_always":true}}}`, `{"server_id":"N1","jetstream":{}}`, `{}`, `[]`, `{"server_id":7}`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := readMonitored(text)
		if err != nil {
			return
		}
		if refused := m.Check() != nil; refused != (m.Streams && !m.SyncAlways && !m.Unsafe()) {
			t.Errorf("%+v is refused: %t", m, refused)
		}
	})
}
