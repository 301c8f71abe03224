package web

// Written here because the lab's worker has to stay small, and archive/zip would
// add a tenth of what it may weigh, most of it for compression. Files are stored
// as they are (APPNOTE.TXT, method 0): a server compresses them better.

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// Zip packs an export into one file, for those who cannot write folders. Equal
// exports give equal archives.
func Zip(files []File) ([]byte, error) {
	const (
		version = 20       // of the format that a reader must know
		date    = 1 | 1<<5 // 1 January 1980, the first one there is
	)
	var out, directory []byte
	le := binary.LittleEndian
	for _, f := range files {
		if uint64(len(out)+len(f.Data)) > math.MaxUint32 {
			return nil, fmt.Errorf("web: more than 4 GiB do not fit into an archive; export with the command")
		}
		at := uint32(len(out))
		var common []byte // of both headers
		common = le.AppendUint16(common, version)
		common = append(common, 0, 0, 0, 0, 0, 0) // no flags, stored, at midnight
		common = le.AppendUint16(common, date)
		common = le.AppendUint32(common, crc32.ChecksumIEEE(f.Data))
		common = le.AppendUint32(common, uint32(len(f.Data)))
		common = le.AppendUint32(common, uint32(len(f.Data)))
		common = le.AppendUint16(common, uint16(len(f.Name)))
		common = append(common, 0, 0) // no extra fields
		out = append(append(append(append(out, "PK\x03\x04"...), common...), f.Name...), f.Data...)

		directory = append(append(directory, "PK\x01\x02"...), version, 0)
		directory = append(directory, common...)
		directory = append(directory, make([]byte, 10)...) // no comment, first disk, no attributes
		directory = append(le.AppendUint32(directory, at), f.Name...)
	}
	start := uint32(len(out))
	out = append(append(out, directory...), "PK\x05\x06\x00\x00\x00\x00"...)
	out = le.AppendUint16(out, uint16(len(files)))
	out = le.AppendUint16(out, uint16(len(files)))
	out = le.AppendUint32(out, uint32(len(directory)))
	out = le.AppendUint32(out, start)
	return append(out, 0, 0), nil
}
