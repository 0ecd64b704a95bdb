"""The finished parts of the course. Import from the modules: `from course_lib.unet import UNet`."""

__version__ = "0.1.0"
