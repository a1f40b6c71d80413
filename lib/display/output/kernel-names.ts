/** Names by which notebooks and pages know the kernel; a file of its own, since a page needs nothing else of it. */

/** Name of the kernel in notebooks' metadata, and of its kernelspec's folder. */
export const KERNEL_NAME = 'tunebook';

/** The file of a kernelspec that interactive figures load: Jupyter gives out what lies in a kernelspec's folder. */
export const PLOTLY_FILE = 'plotly.js';
