"""Files that hold images as arrays: one small reader a format, behind one interface.

A reader gives facts (number, shape, type, range, unit) and images by number; what is asked for is
read, nothing else. `genarium.data.sources` makes collections of them, through the cache.

    reader       what a reader is; the axes of an array; which type values are stored as
    opening      from a path and its arguments to the reader of its format
    arrays       .npy and .npz           containers   HDF5 and zarr
    tiff         what Pillow does not read of TIFFs   dicom, nifti   slices and frames
    wide         one picture file with all its bits, for folders
"""
