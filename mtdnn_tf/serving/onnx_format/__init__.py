"""A trained model as an ONNX file, with the files that a client needs beside it."""
