package submit

import (
	"context"
	"io"

	"bulkhead/libs/fault"
)

// shares are the parts of an upload, in percent, at which a fault point stands.
var shares = [...]int64{25, 50, 99}

// midway passes the fault points inside an upload: each when the transport has been given so much of it and asks for more. A read never
// reaches past one, so that small uploads have them too.
type midway struct {
	ctx         context.Context
	content     io.Reader
	read, total int64
	next        int // the share that comes next
}

// withPoints puts the fault points of an upload of that many bytes into its content; in a binary without fault points it changes nothing.
func withPoints(ctx context.Context, content io.Reader, total int64) io.Reader {
	if !fault.Enabled {
		return content
	}
	return &midway{ctx: ctx, content: content, total: total}
}

func (m *midway) Read(p []byte) (int, error) {
	for m.next < len(shares) {
		left := m.total*shares[m.next]/100 - m.read
		if left > 0 {
			p = p[:min(int64(len(p)), left)]
			break
		}
		m.next++
		if err := m.pass(); err != nil {
			return 0, err
		}
	}
	n, err := m.content.Read(p)
	m.read += int64(n)
	return n, err
}

// pass passes the point of the share that was reached last.
func (m *midway) pass() error {
	switch shares[m.next-1] {
	case 25:
		return at(m.ctx, pointUpload25)
	case 50:
		return at(m.ctx, pointUpload50)
	default:
		return at(m.ctx, pointUpload99)
	}
}
