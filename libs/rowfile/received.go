package rowfile

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// AddReceived notes since when the next row of a manifest has been on its way, in microseconds since 1970; 0 = it is not known. It is called once a row, in
// the order of rows.
func AddReceived(m *flowv1.Manifest, at int64) {
	if n := len(m.GetReceived()); n > 0 && m.GetReceived()[n-1].GetAt() == at {
		m.Received[n-1].Rows++
		return
	}
	m.Received = append(m.Received, &flowv1.ManifestReceived{Rows: 1, At: at})
}

// Received are runs of rows that came together, in the order of rows. They may tell of fewer rows than there are, or, where the manifest was made by
// somebody else, of more.
func (m *Manifest) Received() []*flowv1.ManifestReceived { return m.received }

func readReceived(value []byte) (*flowv1.ManifestReceived, error) {
	r := &flowv1.ManifestReceived{}
	if err := proto.Unmarshal(value, r); err != nil {
		return nil, fmt.Errorf("when rows were received: %w", err)
	}
	return r, nil
}
