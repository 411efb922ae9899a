namespace Moe.HuggingFace.Tests;

public sealed class ModelConfigTests
{
    [Fact]
    public void Half_a_surrogate_pair_is_no_text() =>
        FluentActions.Invoking(() => ModelConfig.Parse("""{"model_type":"mix\ud800tral"}""", "here").ModelType).Should().Throw<InvalidDataException>().WithMessage("""here: model_type is "mix\ud800tral"; expected a text.""");
}
