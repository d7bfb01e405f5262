"""Trained models without Python: as one HTML page that runs in a browser, as an ONNX file.

record      watches a function of a model run, and keeps what it computed
lowering    PyTorch's operations as the few of a graph
graph       the graph: operations on numbered buffers; folded, planned, packed
arithmetic  the elementwise functions, once for JavaScript and once for numpy
interpret   runs a graph in Python: what a page must give
wasm        the matrix product of the page, as a WebAssembly module
draws       the page's random numbers
page        the HTML file          onnx  the ONNX file
"""
