# A formula for a tap of your own. Not tried: no Mac was at hand.
# Before use: put the release's address and SHA-256 in, then let Homebrew write the resources:
#   brew update-python-resources livemood
class Livemood < Formula
  include Language::Python::Virtualenv

  desc "Real-time streaming emotion monitor: how speech sounds, while it is spoken"
  homepage "https://example.org/livemood"
  url "https://example.org/livemood-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "Apache-2.0"

  depends_on "ffmpeg"
  depends_on "libsndfile"
  depends_on "numpy"
  depends_on "onnxruntime"
  depends_on "portaudio"
  depends_on "python@3.13"

  def install
    virtualenv_install_with_resources
    generate_completions_from_executable(bin/"livemood", "completion")
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/livemood --version")
    assert_match "session.ended", shell_output("#{bin}/livemood demo --json --speed max --no-serve")
  end
end
