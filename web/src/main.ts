import { mount } from 'svelte';
import App from './App.svelte';
import { theme } from './state/theme.svelte';
import './styles/tokens.css';
import './styles/base.css';

theme.start();
const target = document.getElementById('app');
if (target) mount(App, { target });
