/** The door of the page of an executed notebook. */
export { markdownToHtml, notebookTitle, notebookToHtml } from './html-report';
