package main

import "fmt"

// rawCodec carries messages as the bytes they are, under the name of the protobuf codec. It is both an encoding.Codec,
// for grpc.ForceCodec, and a grpc.Codec, for grpc.CustomCodec: the two ways that old and new versions of grpc-go have
// in common.
type rawCodec struct{}

func (rawCodec) Marshal(message interface{}) ([]byte, error) {
	bytes, ok := message.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("cannot send a %T: only *[]byte", message)
	}
	return *bytes, nil
}

func (rawCodec) Unmarshal(data []byte, message interface{}) error {
	bytes, ok := message.(*[]byte)
	if !ok {
		return fmt.Errorf("cannot receive into a %T: only *[]byte", message)
	}
	// grpc-go may use data again.
	*bytes = append([]byte(nil), data...)
	return nil
}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) String() string { return "proto" }

// maxMessageSize is above the largest message of the cases, 100 MiB.
const maxMessageSize = 256 << 20
