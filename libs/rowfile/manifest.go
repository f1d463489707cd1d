package rowfile

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"bulkhead/libs/record"
	flowv1 "bulkhead/proto/gen/bulkhead/flow/v1"
)

// MaxManifestBytes bounds an uncompressed manifest: a million records with long keys.
const MaxManifestBytes = 256 << 20

// EncodeManifest returns the manifest in the form in which it is stored: zstd of its protobuf. It panics on strings that are not UTF-8: keys and
// runs are checked before they come here.
func EncodeManifest(m *flowv1.Manifest) []byte {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("rowfile: manifest: %v", err))
	}
	return encoder().EncodeAll(raw, nil)
}

// DecodeManifest is the reverse. It refuses what is no manifest: not zstd, above [MaxManifestBytes], rows without records, runs that are not
// listed, hashes of another size.
func DecodeManifest(data []byte) (*flowv1.Manifest, error) {
	raw, err := decompress(nil, data, MaxManifestBytes)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	var m flowv1.Manifest
	if err := proto.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("manifest: %w: %w", ErrMalformed, err)
	}
	for i, row := range m.GetRows() {
		if err := checkRow(&m, row); err != nil {
			return nil, fmt.Errorf("manifest row %d: %w: %w", i, ErrMalformed, err)
		}
		restoreKeys(m.GetPipeline(), row)
	}
	return &m, nil
}

func checkRow(m *flowv1.Manifest, row *flowv1.ManifestRow) error {
	if len(row.GetRecords()) == 0 {
		return errors.New("it carries no record")
	}
	for _, e := range row.GetRecords() {
		if err := checkEntry(len(e.GetContent()), len(e.GetKeyHash()), len(e.GetLetterId()), e.GetRun(), len(m.GetRuns())); err != nil {
			return err
		}
	}
	return nil
}

// restoreKeys makes the keys of entries again that say nothing but their content, and leaves no trace of how they were stored.
func restoreKeys(pipeline string, row *flowv1.ManifestRow) {
	for _, e := range row.GetRecords() {
		if len(e.GetContent()) == 0 {
			continue
		}
		e.Key = record.BodyKey(record.Hash(e.GetContent()), record.Place{Seq: e.GetSeq(), Idx: e.GetIdx()})
		keyHash := record.HashKey(pipeline, e.GetKey())
		e.KeyHash, e.Content = keyHash[:], nil
	}
}

// checkEntry judges an entry by the lengths of its content hash, key hash and letter id, its run, and how many runs there are.
func checkEntry(content, keyHash, letterID int, run uint32, runs int) error {
	const hashBytes = 16
	switch {
	case content != 0 && content != hashBytes:
		return fmt.Errorf("content hash of %d bytes", content)
	case content == 0 && keyHash != hashBytes:
		return fmt.Errorf("key hash of %d bytes", keyHash)
	case letterID != 0 && letterID != hashBytes:
		return fmt.Errorf("letter id of %d bytes", letterID)
	case int64(run) >= int64(runs):
		return fmt.Errorf("run %d of %d", run, runs)
	}
	return nil
}
