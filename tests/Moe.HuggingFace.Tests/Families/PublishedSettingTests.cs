using Moe.Core;

namespace Moe.HuggingFace.Tests;

/// <summary>What settings mean that are absent, null, or not what a family can do: as the publishers' own code takes them.</summary>
public sealed class PublishedSettingTests
{
    [Theory]
    [InlineData("", true, 1)]
    [InlineData(""","moe_normalize_expert_weights":null""", false, 1)]
    [InlineData(""","moe_normalize_expert_weights":1""", true, 1)]
    [InlineData(""","moe_normalize_expert_weights":2.0""", true, 2)]
    public void Weights_of_DBRX_are_divided_unless_the_settings_say_null(string setting, bool renormalize, double power)
    {
        var gate = Gate($$"""{"model_type":"dbrx","d_model":4,"ffn_config":{"ffn_hidden_size":8,"moe_num_experts":4,"moe_top_k":2{{setting}} } }""");

        gate.Renormalize.Should().Be(renormalize);
        gate.NormPower.Should().Be(power);
    }

    [Theory]
    [InlineData("""{"model_type":"mixtral","hidden_size":4,"num_local_experts":4,"num_experts_per_tok":2}""", 0)]
    [InlineData("""{"model_type":"switch_transformers","d_model":4,"num_experts":4,"expert_capacity":8}""", 0.01)]
    [InlineData("""{"model_type":"switch_transformers","d_model":4,"num_experts":4,"expert_capacity":8,"router_jitter_noise":0.0}""", 0)]
    public void Jitter_that_is_not_given_is_what_the_family_begins_with(string config, double jitter) => Gate(config).InputJitter.Should().Be(jitter);

    [Theory]
    [InlineData("""{"model_type":"deepseek_v2","hidden_size":4,"n_routed_experts":4,"num_experts_per_tok":2,"scoring_func":"sigmoid"}""")]
    [InlineData("""{"model_type":"deepseek_v3","hidden_size":4,"n_routed_experts":4,"num_experts_per_tok":2,"scoring_func":"softmax"}""")]
    [InlineData("""{"model_type":"minimax_m2","hidden_size":4,"num_local_experts":4,"num_experts_per_tok":2,"scoring_func":"softmax"}""")]
    public void Scores_that_a_family_does_not_have_are_refused(string config) =>
        FluentActions.Invoking(() => Gate(config)).Should().Throw<InvalidDataException>().WithMessage("*scoring_func*expected s*");

    [Theory]
    [InlineData("phimoe", ""","hidden_size":4,"num_local_experts":4,"num_experts_per_tok":1""", "num_experts_per_tok is 1; expected 2*")]
    [InlineData("dbrx", ""","d_model":4,"ffn_config":{"ffn_hidden_size":8,"moe_num_experts":4,"moe_top_k":2,"uniform_expert_assignment":true}""", "uniform_expert_assignment is true; expected false*")]
    [InlineData("ernie4_5_moe", ""","hidden_size":4,"moe_num_experts":4,"moe_gate_act":"sigmoid","moe_k":2""", "moe_gate_act is \"sigmoid\"; expected softmax*")]
    [InlineData("ernie4_5_moe", ""","hidden_size":4,"moe_num_experts":4,"moe_k":2,"moe_norm_min":0.5""", "moe_norm_min is 0.5; expected a number between 0 and 1e-12*")]
    [InlineData("switch_transformers", ""","d_model":4,"num_experts":4,"router_dtype":"bfloat16","expert_capacity":8""", "router_dtype is \"bfloat16\"; expected float32*")]
    public void Settings_that_would_change_numbers_are_refused(string family, string settings, string message) =>
        FluentActions.Invoking(() => Gate($$"""{"model_type":"{{family}}"{{settings}}}""")).Should().Throw<InvalidDataException>().WithMessage($"*: {message}");

    [Theory]
    [InlineData("", true)]
    [InlineData(""","norm_topk_prob":true""", true)]
    [InlineData(""","norm_topk_prob":false""", false)]
    [InlineData(""","norm_topk_prob":null""", false)]
    public void Weights_of_DeepSeek_V3_are_normalised_unless_the_settings_say_otherwise(string setting, bool renormalize) =>
        Gate($$"""{"model_type":"deepseek_v3","hidden_size":4,"n_routed_experts":16,"num_experts_per_tok":2{{setting}}}""").Renormalize.Should().Be(renormalize);

    [Theory]
    [InlineData("", true)]
    [InlineData(""","use_routing_bias":true""", true)]
    [InlineData(""","use_routing_bias":false""", false)]
    public void MiniMax_M2_chooses_by_biases_unless_the_settings_say_otherwise(string setting, bool hasBias) =>
        Gate($$"""{"model_type":"minimax_m2","hidden_size":4,"num_local_experts":4,"num_experts_per_tok":2{{setting}}}""").SelectionBias.Should().Be(hasBias);

    [Fact]
    public void Weights_of_DeepSeek_V2_are_never_normalised() =>
        Gate("""{"model_type":"deepseek_v2","hidden_size":4,"n_routed_experts":4,"num_experts_per_tok":2,"norm_topk_prob":true}""").Renormalize.Should().BeFalse();

    [Theory]
    [InlineData("", 7, 1.702)]
    [InlineData(""","swiglu_limit":5.5,"swiglu_alpha":1.5""", 5.5, 1.5)]
    public void The_unit_of_gpt_oss_has_the_bound_and_the_slope_of_the_settings(string settings, double limit, double slope)
    {
        var config = ModelConfig.Parse($$"""{"model_type":"gpt_oss","hidden_size":4,"intermediate_size":8{{settings}}}""");

        ModelFamilies.Of("gpt_oss").GatedExperts!(config).Unit.Should().Be(new ClampedSwiGlu { Limit = limit, Slope = slope });
    }

    [Fact]
    public void Selection_biases_of_Ernie_hang_on_the_gate_where_experts_are_fused()
    {
        var family = ModelFamilies.Of("ernie4_5_moe");

        Name(family.PerExpert).Should().Be("mlp.moe_statics.e_score_correction_bias");
        Name(family.Fused).Should().Be("mlp.gate.moe_statics.e_score_correction_bias");

        static string Name(IReadOnlyList<WeightPlace> places) => places.Single(place => place.Role == WeightRole.SelectionBias).Name;
    }

    private static GatingOptions Gate(string json)
    {
        var config = ModelConfig.Parse(json);
        return ModelFamilies.Of(config.ModelType).Gate(config);
    }
}
